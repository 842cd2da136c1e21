"""Classes and functions by value: which class a key means, what a class is, and how both are reduced."""
