//! A crash at every sync point of a workload: what was acknowledged is there, and nothing that was not sent.
