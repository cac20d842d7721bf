"""`python -m callwright`, which torchrun and accelerate can start."""

from callwright.cli import main

main()
