"""Load on the running system from outside: the benchmark against peers. Nothing of ours is used."""
