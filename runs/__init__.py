"""The run folder: its names, committing and repairing a save, and reading vectors with the names that belong to them.

It knows arrays and lists of names. It does not know how they were learned, mels, labels or TensorFlow.
"""
