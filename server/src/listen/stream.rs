//! A connection's bytes, until its client does not take them.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::places::{Answering, Busy};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// A stream on which a write fails that makes no progress for a while: else an answer that nobody reads would stay in
/// memory for ever.
#[derive(Debug)]
pub(super) struct ImpatientStream<S> {
    inner: S,
    patience: Duration,
    busy: Busy,
    /// While a write waits: for how long it may, and that the connection is not idle.
    waiting: Option<(Pin<Box<Sleep>>, Answering)>,
}

impl<S> ImpatientStream<S> {
    pub(super) const fn new(inner: S, patience: Duration, busy: Busy) -> Self {
        Self { inner, patience, busy, waiting: None }
    }

    /// What becomes of an attempt to write.
    #[expect(
        clippy::disallowed_methods,
        reason = "a deadline, within which nothing happens that would notify"
    )]
    fn judge<T>(&mut self, context: &mut Context<'_>, attempt: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if attempt.is_ready() {
            self.waiting = None;
            return attempt;
        }
        let begin = || (Box::pin(sleep(self.patience)), self.busy.begin());
        let (deadline, _) = self.waiting.get_or_insert_with(begin);
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not take the answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ImpatientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buf))?;
        if buf.filled().len() > before {
            self.busy.hear();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ImpatientStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let attempt = Pin::new(&mut self.inner).poll_write(context, buf);
        self.judge(context, attempt)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let attempt = Pin::new(&mut self.inner).poll_write_vectored(context, bufs);
        self.judge(context, attempt)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let attempt = Pin::new(&mut self.inner).poll_flush(context);
        self.judge(context, attempt)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let attempt = Pin::new(&mut self.inner).poll_shutdown(context);
        self.judge(context, attempt)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::listen::places::Places;

    #[tokio::test]
    async fn a_write_that_nobody_takes_fails_and_one_that_goes_on_does_not() {
        let place = Places::new(1).take().await;
        let (client, mut server) = tokio::io::duplex(16);
        let client = {
            let mut stream = ImpatientStream::new(client, Duration::ZERO, place.busy());
            stream.write_all(&[1; 16]).await.unwrap();
            let error = stream.write_all(&[2; 1]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(place.is_busy());
            stream.inner
        };

        let mut taken = [0; 16];
        server.read_exact(&mut taken).await.unwrap();
        let mut stream = ImpatientStream::new(client, Duration::from_secs(3600), place.busy());
        let (written, read) = tokio::join!(stream.write_all(&[3; 64]), async {
            let mut taken = [0; 64];
            server.read_exact(&mut taken).await.map(|_| taken)
        });
        written.unwrap();
        assert_eq!(read.unwrap(), [3; 64]);
        assert!(!place.is_busy());
    }
}
