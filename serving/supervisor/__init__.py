"""The supervisor: gateway and inference on one machine, as child processes that are kept alive.

rules       what may be desired, and what to do next; plain values, no I/O
state       what is desired, on disk
home        the files of one IRIS_HOME: lock, token, address, model files, logs
child       one child process; `tether` runs inside it, `leftovers` ends those of a former life
child_logs  what the children log: bounded, and shown
inference   a child that serves one release
gateway     the one that clients talk to: a child, or one that runs elsewhere
supervisor  the loop that makes what is into what is desired
control     the HTTP interface that a promoter sets the desired release by
main        start and stop
"""
