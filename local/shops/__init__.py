"""Shops to crawl on one machine: three generated ones whose truth is known, and one of saved real pages."""
