namespace Portal.Components.Shared;

/// <summary>Says something to screen readers, for what changes on the page without a move of focus.</summary>
public sealed class Announcer
{
    private readonly List<Action<string>> listeners = [];

    /// <summary>Says a sentence, politely.</summary>
    public void Say(string sentence) => listeners.ForEach(listener => listener(sentence));

    internal void Listen(Action<string> listener) => listeners.Add(listener);

    internal void Forget(Action<string> listener) => listeners.Remove(listener);
}
