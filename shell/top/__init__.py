"""`llmos top`: what is read and how it is laid out (`model`), as text (`batch`), on a screen (`app`)."""
