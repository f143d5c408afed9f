"""What the inference service does around the model, without BentoML.

One process serves one release for ever. It goes from `loading` to `ready` or `failed`:

    load     the file is there, has the digest asked for, and gives the golden probabilities
    warm up  the golden rows come back right through real HTTP and the batcher

`instance` holds that state, `app` shows it to the outside.
"""
