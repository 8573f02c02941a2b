namespace Portal.Core.Attestation.BuiltIn.Agents;

/// <summary>
/// How much memory all long answers may take together. An agent that sends what was not expected of it finds the budget used up by others of its
/// kind; answers of ordinary length take nothing from it.
/// </summary>
/// <param name="most">Bytes in all.</param>
public sealed class AnswerBudget(long most)
{
    private const int Step = 1 << 20;

    private readonly long most = most;
    private long held;

    /// <summary>Bytes taken now.</summary>
    public long Held => Interlocked.Read(ref held);

    /// <summary>For one answer; give back by disposing.</summary>
    public Share Take() => new(this);

    /// <summary>What one answer takes.</summary>
    public sealed class Share : IDisposable
    {
        private readonly AnswerBudget budget;
        private long mine;

        internal Share(AnswerBudget budget) => this.budget = budget;

        /// <summary>Makes room for an answer of this many bytes beyond the ordinary; false when others hold what is left.</summary>
        public bool TryGrowTo(long bytes)
        {
            while (mine < bytes)
            {
                if (Interlocked.Add(ref budget.held, Step) > budget.most)
                {
                    Interlocked.Add(ref budget.held, -Step);
                    return false;
                }

                mine += Step;
            }

            return true;
        }

        /// <inheritdoc/>
        public void Dispose()
        {
            Interlocked.Add(ref budget.held, -mine);
            mine = 0;
        }
    }
}
