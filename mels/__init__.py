"""Audio folder -> mel folder: decoding, log-mel frames, and the mel folder's names, ledger and reading.

It knows files of audio and what became of each. It does not know vectors, runs, labels or TensorFlow.
"""
