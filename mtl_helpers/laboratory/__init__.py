"""What the rendered faces are like: experiments on the corpora themselves."""
