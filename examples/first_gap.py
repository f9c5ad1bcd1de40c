from opt_istn import Budget, evaluate, generate, make

instance = generate("jutap-paper-v2", seed=0)
bound = make("jutap.labels").solve(instance, Budget(), seed=0).bound
plan = make("jutap.greedy").solve(instance, Budget(), seed=0).plan
print(f"greedy costs {100 * (evaluate(instance, plan).cost / bound - 1):.2f} % more than the bound")
# greedy costs 10.06 % more than the bound
