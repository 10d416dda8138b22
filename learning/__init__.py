"""Mel folder -> run folder: which frames are drawn, the network, training, growth, and vectors of unseen songs.

The only room that knows TensorFlow, in as few of its files as can be. It does not know audio, labels or pictures.
"""
