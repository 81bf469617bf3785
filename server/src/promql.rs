//! PromQL as the server uses it: the query crate with the server's settings.
