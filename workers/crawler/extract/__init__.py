"""From a page's bytes to its links and its product.

JSON-LD first, then microdata, then OpenGraph, then the shop's own CSS selectors: each fills what those before lack.
"""
