//! Every view, with and without rows.
