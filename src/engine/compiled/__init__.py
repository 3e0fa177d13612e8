"""Steps of a stack as compiled code: a rule's trace and a model's template as C, by the machine's own compiler."""
