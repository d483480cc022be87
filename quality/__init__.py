"""How good Paperlane is: measured on labelled documents, beside its peers where they can run."""
