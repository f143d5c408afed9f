"""The gateway: the thin front of the API. It validates, coalesces, balances and translates errors.

`python -m serving.gateway` runs it. It holds no model and no NumPy.
"""
