//! Wire messages and services between the servers, and their conversions to the nouns.
