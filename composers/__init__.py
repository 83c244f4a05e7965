"""Graph attention on scraps of scores: who wrote these fifty notes?"""
