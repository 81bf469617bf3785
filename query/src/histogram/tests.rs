//! Laws of the algebra, and upstream answers.
