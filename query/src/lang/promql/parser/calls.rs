//! Function calls.

use super::{
    Parsed, Parser,
    expr::{Tree, starts_expr},
};
use crate::lang::promql::{Call, Expr, FunctionSignature, ValueType, function, token::TokenKind};

/// Stands for a function that does not exist. The error is reported, so no caller sees it.
static UNKNOWN: FunctionSignature =
    FunctionSignature { name: "", args: &[], variadic: -1, returns: ValueType::Vector, experimental: false };

impl Parser<'_> {
    /// A call if a parenthesis follows the name, else a selector.
    pub(super) fn call_or_selector(&mut self) -> Parsed<Tree> {
        let name = self.bump();
        if self.peek_kind() != TokenKind::LeftParen {
            let selector = self.selector_named(name)?;
            return Ok(Tree::leaf(Expr::Vector(Box::new(selector))));
        }
        let (args, height) = self.arguments()?;
        let text = self.text_of(name);
        let signature = function(text);
        match signature {
            None => self.error(name.span, format!("unknown function with name \"{text}\"")),
            Some(it) if it.experimental && !self.options.experimental_functions => {
                self.error(name.span, format!("function \"{text}\" is not enabled"));
            }
            Some(_) => {}
        }
        let mut span = name.span;
        span.end = self.last_closing;
        self.check_height(height)?;
        let call = Call { function: signature.unwrap_or(&UNKNOWN), args, span };
        Ok(Tree { expr: Expr::Call(call), height: height + 1 })
    }

    /// Arguments in parentheses, and the height of the highest.
    pub(super) fn arguments(&mut self) -> Parsed<(Vec<Expr>, usize)> {
        self.expect(TokenKind::LeftParen)?;
        let (mut args, mut height) = (Vec::new(), 0);
        if self.accept(TokenKind::RightParen).is_some() {
            return Ok((args, height));
        }
        loop {
            let arg = self.expr(0)?;
            height = height.max(arg.height);
            args.push(arg.expr);
            let mut comma = self.accept(TokenKind::Comma);
            while let Some(token) = comma {
                if starts_expr(self.peek_kind()) {
                    break;
                }
                self.error(token.span, "trailing commas not allowed in function call args".to_owned());
                comma = self.accept(TokenKind::Comma);
            }
            if comma.is_none() {
                self.expect(TokenKind::RightParen)?;
                return Ok((args, height));
            }
        }
    }
}
