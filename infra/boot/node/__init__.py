"""Programs of the machine itself, put into the images by the recipe: standard library only, Python 3.9.

They run as `python3 -m node.drainer` and so on from the folder that holds this one.
"""
