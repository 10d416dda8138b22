"""What is done with vectors: judged (labels, folds, baselines, classifiers, clusters, pictures), searched (neighbours,
queries, journeys, moments, duplicates), and written down for people and programs (tables, playlists, exports).

Arrays in, arrays out, but for what reads a run with its labels and mels, and what writes pictures and playlists.
It does not know how vectors were learned, TensorFlow, or a script's flags: those that it names are handed in.
"""
