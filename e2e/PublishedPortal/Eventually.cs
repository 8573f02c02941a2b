namespace Portal.E2E;

/// <summary>Waits for conditions; tests never sleep.</summary>
internal static class Eventually
{
    /// <summary>Machines that run these tests are slow and busy.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Asks again and again until the answer is not null.</summary>
    /// <param name="ask">What to ask. Answers that cannot be had yet (no connection) count as null.</param>
    /// <param name="what">What is waited for, to say when it does not come.</param>
    /// <param name="otherwise">What else to say then.</param>
    /// <param name="patience">How long to wait.</param>
    public static async Task<T> GetAsync<T>(Func<Task<T?>> ask, string what, Func<string>? otherwise = null, TimeSpan? patience = null)
        where T : class
    {
        var ct = TestContext.Current.CancellationToken;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(patience ?? Patience);
        Exception? last = null;
        while (true)
        {
            try
            {
                if (await ask() is { } answer)
                {
                    return answer;
                }

                last = null;
            }
            catch (Exception fault) when (fault is HttpRequestException or IOException or TaskCanceledException && !ct.IsCancellationRequested)
            {
                last = fault;
            }

            try
            {
                await Task.Delay(Pause, deadline.Token);
            }
            catch (OperationCanceledException) when (!ct.IsCancellationRequested)
            {
                Assert.Fail($"Waited in vain for {what}. {last?.Message}\n{otherwise?.Invoke()}");
            }
        }
    }

    /// <summary>Asks again and again until it is so.</summary>
    public static Task TrueAsync(Func<Task<bool>> ask, string what, Func<string>? otherwise = null, TimeSpan? patience = null) =>
        GetAsync<object>(async () => await ask() ? ask : null, what, otherwise, patience);
}
