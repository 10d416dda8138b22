"""What is done with vectors: label tables, folds, baselines, classifiers, clusters, neighbours, pictures, playlists.

Arrays in, arrays out. It does not know how vectors were learned, the command line or TensorFlow.
"""
