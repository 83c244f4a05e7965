from .classifier import classification as classification
from .likelihood import log_likelihood as log_likelihood
from .sample import sample as sample
from .sample import temperature_scale as temperature_scale
from .sample import top_k_logits as top_k_logits
