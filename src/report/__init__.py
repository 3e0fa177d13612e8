"""What a sweep or a run says: read from its files, without training anything and without torch."""
