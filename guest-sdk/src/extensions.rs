//! Values that travel with a request.

use std::any::{Any, TypeId};
use std::fmt;
use std::rc::Rc;

/// Values that travel with a request, one of each type.
///
/// They are few: middleware and dependencies note what they found out.
#[derive(Clone, Default)]
pub struct Extensions(Vec<(TypeId, Rc<dyn Any>)>);

impl Extensions {
    /// Notes a value, in place of one of its type.
    pub fn insert<T: 'static>(&mut self, value: T) -> Rc<T> {
        let value = Rc::new(value);
        self.0.retain(|(id, _)| *id != TypeId::of::<T>());
        self.0
            .push((TypeId::of::<T>(), Rc::clone(&value) as Rc<dyn Any>));
        value
    }

    /// The value of this type, if one was noted.
    #[must_use]
    pub fn get<T: 'static>(&self) -> Option<Rc<T>> {
        let found = self.0.iter().find(|(id, _)| *id == TypeId::of::<T>());
        found.and_then(|(_, value)| Rc::clone(value).downcast().ok())
    }

    /// Takes the value of this type away.
    pub fn remove<T: 'static>(&mut self) -> Option<Rc<T>> {
        let place = self.0.iter().position(|(id, _)| *id == TypeId::of::<T>())?;
        self.0.swap_remove(place).1.downcast().ok()
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extensions({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_of_each_type() {
        let mut extensions = Extensions::default();
        extensions.insert(1_u8);
        extensions.insert("text");
        extensions.insert(2_u8);
        assert_eq!(extensions.get::<u8>().as_deref(), Some(&2));
        assert_eq!(extensions.get::<&str>().as_deref(), Some(&"text"));
        assert!(extensions.get::<u16>().is_none());
        extensions.remove::<u8>();
        assert!(extensions.get::<u8>().is_none());
    }
}
