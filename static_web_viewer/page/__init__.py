"""What the page is made of, in Python: the map, the columns, the data files, the strips, the audio, the folder.

It knows the files that viewer/ reads. It does not know the command line or TensorFlow.
"""
