"""`llmos top`: what the kernel says (`reading`), which of it is shown (`model`), as text (`batch`)
and on a screen (`app`)."""
