export const outOfBudget =
  'validation failed due to running out of cost budget, no further validation rules will be run';

/** The budget of a whole policy is used up: none of its results count. */
export class OutOfBudget extends Error {
  constructor() {
    super(outOfBudget);
    this.name = 'OutOfBudget';
  }
}
