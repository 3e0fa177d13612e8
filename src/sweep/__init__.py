"""Many runs: which ones a sweep is made of."""
