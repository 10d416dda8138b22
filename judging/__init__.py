"""What is done with vectors: judged by labels, clustered, searched, and written as tables, pictures and playlists.

Arrays in, arrays out, but for what reads a run with its labels and mels, and what writes pictures and playlists.
It does not know how vectors were learned, TensorFlow, or a script's flags: those that it names are handed in.
"""
