"""The gRPC face's messages and stubs, made from atelier.proto by `python -m services.protos.generate`."""
