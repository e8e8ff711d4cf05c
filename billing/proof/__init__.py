"""Proof: checks an invoice from its bundle alone, with what it was rated by and what the devices signed; pure.

`python -m billing.proof bundle.zip` needs neither the service nor a database: only this package, `billing.rating` with
what that is made of, and `runtime.wire`.
"""
