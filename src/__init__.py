"""Descent Lab: a laboratory for gradient descent."""
