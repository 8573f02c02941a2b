using System.Collections.Concurrent;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>Which guests of a host were asked to shut down, and when: libvirt says of them that they run, until they obey.</summary>
internal sealed class ShutdownsAsked
{
    private readonly ConcurrentDictionary<Guid, DateTimeOffset> asked = new();

    public void Note(Guid id, DateTimeOffset now) => asked[id] = now;

    public void Forget(Guid id) => asked.TryRemove(id, out _);

    /// <summary>Whether it was asked not longer ago than that.</summary>
    public bool Within(Guid id, DateTimeOffset now, TimeSpan patience) => asked.TryGetValue(id, out var at) && now - at < patience;
}
