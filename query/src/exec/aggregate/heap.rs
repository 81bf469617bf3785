//! The heap of `topk` and `bottomk`.
//!
//! Which of several equal elements stay, and in which order they come out, follows from how Go's
//! `container/heap` and `sort.Sort` work, so both are done here the same way.

/// Up to this length Go sorts by insertion, which keeps equal elements in order.
const INSERTION_SORT_MAX: usize = 12;

/// An element: a value and the series that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Element {
    /// The value.
    pub(super) value: f64,
    /// Place of the series in the vector.
    pub(super) series: usize,
}

/// Which values are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The greatest.
    Top,
    /// The least.
    Bottom,
}

/// Keeps the `capacity` most wanted elements, the least wanted of them first.
#[derive(Debug)]
pub(super) struct KHeap {
    wanted: Wanted,
    capacity: usize,
    elements: Vec<Element>,
}

impl KHeap {
    /// An empty heap.
    pub(super) const fn new(wanted: Wanted, capacity: usize) -> Self {
        Self { wanted, capacity, elements: Vec::new() }
    }

    /// Offers an element: it replaces the least wanted one if it is wanted more.
    pub(super) fn offer(&mut self, element: Element) {
        if self.elements.len() < self.capacity {
            self.elements.push(element);
            self.up(self.elements.len() - 1);
        } else if self.elements.first().is_some_and(|root| self.beats(element, *root)) {
            self.elements[0] = element;
            self.down();
        }
    }

    /// The elements, the most wanted first.
    pub(super) fn into_sorted(self) -> Vec<Element> {
        let Self { wanted, mut elements, .. } = self;
        // The order is the reverse of the heap's.
        let less = |a: Element, b: Element| goes_up(wanted, b.value, a.value);
        if elements.len() <= INSERTION_SORT_MAX {
            for i in 1..elements.len() {
                let mut j = i;
                while j > 0 && less(elements[j], elements[j - 1]) {
                    elements.swap(j, j - 1);
                    j -= 1;
                }
            }
        } else {
            elements.sort_by(|a, b| match (a.value.is_nan(), b.value.is_nan()) {
                (false, false) if wanted == Wanted::Top => b.value.total_cmp(&a.value),
                (false, false) => a.value.total_cmp(&b.value),
                (a_nan, b_nan) => a_nan.cmp(&b_nan),
            });
        }
        elements
    }

    fn beats(&self, new: Element, root: Element) -> bool {
        let wanted = match self.wanted {
            Wanted::Top => root.value < new.value,
            Wanted::Bottom => root.value > new.value,
        };
        wanted || (root.value.is_nan() && !new.value.is_nan())
    }

    fn less(&self, i: usize, j: usize) -> bool {
        goes_up(self.wanted, self.elements[i].value, self.elements[j].value)
    }

    fn up(&mut self, mut child: usize) {
        while child > 0 {
            let parent = (child - 1) / 2;
            if !self.less(child, parent) {
                break;
            }
            self.elements.swap(parent, child);
            child = parent;
        }
    }

    fn down(&mut self) {
        let mut parent = 0;
        loop {
            let left = 2 * parent + 1;
            if left >= self.elements.len() {
                break;
            }
            let right = left + 1;
            let child = if right < self.elements.len() && self.less(right, left) { right } else { left };
            if !self.less(child, parent) {
                break;
            }
            self.elements.swap(parent, child);
            parent = child;
        }
    }
}

/// Whether `a` is nearer to the root than `b`: NaN always is.
fn goes_up(wanted: Wanted, a: f64, b: f64) -> bool {
    a.is_nan()
        || match wanted {
            Wanted::Top => a < b,
            Wanted::Bottom => a > b,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(wanted: Wanted, capacity: usize, values: &[f64]) -> Vec<f64> {
        let mut heap = KHeap::new(wanted, capacity);
        values.iter().enumerate().for_each(|(series, value)| heap.offer(Element { value: *value, series }));
        heap.into_sorted().into_iter().map(|element| element.value).collect()
    }

    #[test]
    fn the_wanted_elements_come_out_in_order() {
        let values: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 40)).collect();
        assert_eq!(sorted(Wanted::Top, 3, &values), [39.0, 38.0, 37.0]);
        assert_eq!(sorted(Wanted::Bottom, 3, &values), [0.0, 1.0, 2.0]);
        assert_eq!(sorted(Wanted::Top, 20, &values), (20..40).rev().map(f64::from).collect::<Vec<_>>());
    }

    #[test]
    fn nan_is_wanted_least() {
        assert_eq!(sorted(Wanted::Top, 2, &[f64::NAN, 1.0, 2.0]), [2.0, 1.0]);
        assert_eq!(sorted(Wanted::Bottom, 2, &[1.0, f64::NAN, 2.0]), [1.0, 2.0]);
    }
}
