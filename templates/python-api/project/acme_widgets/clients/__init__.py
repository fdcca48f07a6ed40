"""The services that this one calls: a module each, written by msctl add client."""
