"""What serving and training both stand on: settings, object store, releases, bringing Ray up."""
