//! Expressions over several lines: what is longer than a line is split, each part indented below its whole.

use std::fmt::{self, Write as _};

use super::Expr;

/// Bytes up to which an expression stays on one line.
const LINE_BYTES_MAX: usize = 100;
const INDENT: &str = "  ";

/// `expr` formatted for reading.
#[must_use]
pub fn pretty(expr: &Expr) -> String {
    let mut out = String::new();
    write_expr(&mut out, expr, 0);
    out
}

fn write_expr(out: &mut String, expr: &Expr, level: usize) {
    match expr {
        Expr::StepInvariant(node) => return write_expr(out, &node.expr, level),
        Expr::Unary(node) => {
            let mut inner = String::new();
            write_expr(&mut inner, &node.expr, level);
            indent(out, level);
            out.push_str(node.op.as_str());
            return out.push_str(inner.trim());
        }
        Expr::Matrix(_) | Expr::Number(_) | Expr::String(_) | Expr::Vector(_) => {
            return write_line(out, expr, level);
        }
        // Without indentation, as upstream has it.
        Expr::Subquery(_) if !needs_split(expr) => return write_line(out, expr, 0),
        _ if !needs_split(expr) => return write_line(out, expr, level),
        _ => {}
    }
    write_split(out, expr, level);
}

fn write_split(out: &mut String, expr: &Expr, level: usize) {
    match expr {
        Expr::Binary(node) => {
            write_expr(out, &node.lhs, level + 1);
            out.push('\n');
            indent(out, level);
            out.push_str(&node.head());
            out.push('\n');
            write_expr(out, &node.rhs, level + 1);
        }
        Expr::Subquery(node) => {
            write_expr(out, &node.expr, level);
            out.push_str(&node.suffix());
        }
        Expr::Aggregate(node) => {
            write_list(out, &node.head(), node.param.iter().chain([&node.expr]), level);
        }
        Expr::Call(node) => write_list(out, node.function.name, node.args.iter(), level),
        Expr::Paren(node) => write_list(out, "", std::iter::once(&node.expr), level),
        _ => write_line(out, expr, level),
    }
}

/// `head(`, one item per line, `)`.
fn write_list<'a>(out: &mut String, head: &str, items: impl Iterator<Item = &'a Expr>, level: usize) {
    indent(out, level);
    out.push_str(head);
    out.push('(');
    for (i, item) in items.enumerate() {
        out.push_str(if i == 0 { "\n" } else { ",\n" });
        write_expr(out, item, level + 1);
    }
    out.push('\n');
    indent(out, level);
    out.push(')');
}

fn write_line(out: &mut String, expr: &Expr, level: usize) {
    indent(out, level);
    out.push_str(&expr.to_string());
}

fn indent(out: &mut String, level: usize) {
    out.extend(std::iter::repeat_n(INDENT, level));
}

fn needs_split(expr: &Expr) -> bool {
    // Printing stops at the limit, so that asking at every level does not cost the square of the length.
    write!(LineBudget(LINE_BYTES_MAX), "{expr}").is_err()
}

struct LineBudget(usize);

impl fmt::Write for LineBudget {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
        Ok(())
    }
}
