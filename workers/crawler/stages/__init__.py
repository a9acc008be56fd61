"""The four stages. A handler is a function of a message: it reads, and answers the effects it wants."""
