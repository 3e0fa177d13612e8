"""TensorBoard on outputs/: a view that it can bear."""
