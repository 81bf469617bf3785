//! Operators with two operands.
//!
//! * `element` - two values
//! * `scalar` - two scalars, or a scalar and a vector
//! * `matching` - which series of two vectors belong together
//! * `vector` - two vectors
//! * `set` - `and`, `or`, `unless`

mod element;
mod matching;
mod scalar;
mod set;
mod vector;

pub(super) use element::negate;

use super::{
    Evaluator, Notes,
    context::{Evaluated, internal},
};
use crate::{
    Error,
    lang::promql::{Binary, BinaryOp},
};

impl Evaluator<'_> {
    /// The value of a binary expression.
    pub(super) fn eval_binary(&self, binary: &Binary, notes: &mut Notes) -> Result<Evaluated, Error> {
        let lhs = self.eval(&binary.lhs, notes)?;
        let rhs = self.eval(&binary.rhs, notes)?;
        match (lhs, rhs) {
            (Evaluated::Scalar(lhs), Evaluated::Scalar(rhs)) => {
                scalar::scalars(binary.op, &lhs, &rhs).map(Evaluated::Scalar)
            }
            (Evaluated::Vector(lhs), Evaluated::Scalar(rhs)) => {
                self.vector_scalar(binary, lhs, &rhs, scalar::Side::Right, notes).map(Evaluated::Vector)
            }
            (Evaluated::Scalar(lhs), Evaluated::Vector(rhs)) => {
                self.vector_scalar(binary, rhs, &lhs, scalar::Side::Left, notes).map(Evaluated::Vector)
            }
            (Evaluated::Vector(lhs), Evaluated::Vector(rhs)) => {
                let matching =
                    binary.matching.as_ref().ok_or_else(|| internal("vectors without matching"))?;
                let series = match binary.op {
                    BinaryOp::And => set::and(&lhs, &rhs, matching),
                    BinaryOp::Unless => set::unless(&lhs, &rhs, matching),
                    BinaryOp::Or => set::or(lhs, &rhs, matching),
                    _ => self.vector_vector(binary, matching, &lhs, &rhs, notes)?,
                };
                self.finish(series).map(Evaluated::Vector)
            }
            (lhs, rhs) => {
                Err(internal(format!("cannot combine {} and {}", lhs.type_name(), rhs.type_name())))
            }
        }
    }
}
