"""Recipes of the machines' images, for EC2 Image Builder."""
