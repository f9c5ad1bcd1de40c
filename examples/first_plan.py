from opt_istn import Budget, registry
from opt_istn.jutap import evaluate
from opt_istn.jutap.scenario import PRESETS, generate

instance = generate(PRESETS["jutap-paper-v2"], seed=0)
solver = registry.make("jutap.labels", "jutap", {})
claims = solver.solve(instance, Budget(time_s=10), seed=0)
judged = evaluate(instance, claims.plan)
print(claims.status, judged.cost, claims.bound, f"{judged.length_m:.1f} m", judged.handover)
# optimal 11562744 11562744 4354.1 m 4.5      (costs are millionths of the objective)
