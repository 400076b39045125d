"""The one package that touches verl.

Everything here goes through verl's registries, plug-in entry points and
subclasses; nothing of verl is patched or forked.  ``contract.py`` lists every
attribute that is touched and fails in a second when one is gone.
"""
