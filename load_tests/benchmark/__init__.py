"""The benchmark: what `iris serve` and its peers serve on this machine, side by side in one run.

`python -m load_tests.benchmark` reads like this:

    settings      what to measure, from the environment
    systems       who is measured: how each is started, asked, and its answer read
    environments  a virtual environment for each peer, from its lock
    model         one fitted pipeline, the rows that are sent, the probabilities that are right
    ours          an IRIS_HOME whose release was imported and promoted by the project's commands
    service       a system under test: started, watched, ended
    wrk           the load generator
    measurement   one point: so many connections, so many rows a request
    schedule      the order of everything, and the time left
    figures       medians and spreads over the rounds, ratios within a round
    goals         what must hold, as data, and whether it does
    report        table and JSON; `plot` the picture; `machine` where it ran
"""
