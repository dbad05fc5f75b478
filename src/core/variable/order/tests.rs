use super::*;
use crate::core::id::VarId;
use crate::core::property::Properties;
use crate::core::variable::{Access, NewVariable};

/// A generator with a fixed seed: xorshift64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

fn variable(dice: &mut Dice, id: i64, parent: Option<Slot>) -> NewVariable {
    let mut properties = Properties::default();
    properties.set("priority", ["", "", "high", "low"][dice.roll(4)], None);
    properties.set("inactive", ["", "", "", "true"][dice.roll(4)], None);
    NewVariable {
        id: VarId(id),
        wire: id,
        view: None,
        parent,
        access: [Access::Read, Access::ReadWrite, Access::Action][dice.roll(3)],
        watched: parent.is_none() || dice.roll(4) > 0,
        has_path: true,
        properties,
    }
}

fn order(vars: &mut VariableStore) -> Vec<Slot> {
    let order = vars.lend_order();
    let kept = order.iter().copied().filter(|&s| s != NONE).collect();
    vars.return_order(order);
    kept
}

/// Variables come and go at random; what is kept up must be what is made anew.
#[test]
fn the_order_kept_up_is_the_order_made_anew() {
    for seed in 1..200 {
        let mut dice = Dice(seed);
        let mut vars = VariableStore::default();
        let root = variable(&mut dice, 1, None);
        let mut alive = vec![vars.insert(root)];
        for id in 2..80 {
            let lent = (dice.roll(5) == 0).then(|| vars.lend_order());
            let at = dice.roll(alive.len());
            match dice.roll(8) {
                0 if at > 0 => {
                    let gone = vars.destroy(alive[at]);
                    alive.retain(|slot| !gone.contains(slot));
                }
                1 => vars.set_watched(alive[at], dice.roll(2) == 0),
                2 => vars.register(["a", "b"][dice.roll(2)], alive[at], false),
                _ => {
                    let new = variable(&mut dice, id, Some(alive[at]));
                    alive.push(vars.insert(new));
                }
            }
            if let Some(order) = lent {
                vars.return_order(order);
            }
            if dice.roll(3) == 0 {
                for slot in vars.take_released() {
                    vars.free(slot);
                }
            }
            if dice.roll(4) == 0 {
                let kept_up = order(&mut vars);
                vars.order.spoil();
                assert_eq!(kept_up, order(&mut vars), "seed {seed}, step {id}");
            }
        }
    }
}
