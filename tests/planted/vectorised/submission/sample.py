import torch
import torch.nn.functional as F
from tqdm import trange

NEVER = -1e10


def top_k_logits(logits, k):
    if k == 0:
        return logits
    least = torch.topk(logits, k).values[:, -1]
    return torch.where(logits < least, torch.full_like(logits, NEVER), logits)


def temperature_scale(
    logits, model, new_past, config, temperature, temperature_horizon
):
    if temperature is None:
        return logits
    if temperature_horizon == 1:
        return logits / temperature
    first_tokens, joint_probs = [], []
    return_logits = torch.full((1, config.vocab_size), NEVER)
    first_probs = F.softmax(logits, dim=-1)
    for t in range(config.vocab_size):
        if logits[0, t] <= NEVER:
            continue
        first_tokens.append(t)
        second, _ = model(torch.tensor([[t]]), past=new_past)
        second = top_k_logits(second[:, -1, :], config.top_k)
        joint_probs.append(first_probs[0, t] * F.softmax(second, dim=-1))
    joint_logits = torch.log(torch.cat(joint_probs, dim=0) + 1e-10)
    scaled = joint_logits / temperature
    first_logits = torch.logsumexp(scaled, dim=1)
    return_logits[0, first_tokens] = first_logits
    return return_logits


def sample(model, start_text, config, length, temperature=None, temperature_horizon=1):
    current_text, past, output = start_text, None, [start_text]
    with torch.no_grad():
        for _ in trange(length):
            logits, new_past = model(current_text, past=past)
            logits = top_k_logits(logits[:, -1, :], k=config.top_k)
            logits = temperature_scale(
                logits, model, new_past, config, temperature, temperature_horizon
            )
            current_text = torch.multinomial(F.softmax(logits, dim=-1), 1)
            output.append(current_text)
            past = new_past
    return torch.cat(output, dim=1)
