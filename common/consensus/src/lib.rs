//! The one door to openraft: type config, multi-group transport, vote and metadata store.
