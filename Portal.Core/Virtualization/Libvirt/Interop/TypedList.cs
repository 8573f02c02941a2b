namespace Portal.Core.Virtualization.Libvirt.Interop;

/// <summary>Named parameters to libvirt, or values from it.</summary>
internal sealed class TypedList : IDisposable
{
    private nint list;
    private int count;
    private int size;

    public TypedList()
    {
    }

    /// <summary>Takes over values libvirt gave.</summary>
    public TypedList(nint list, int count) => (this.list, this.count, size) = (list, count, count);

    public nint Pointer => list;

    public uint Count => (uint)count;

    public void Add(string name, string value) => LibvirtCalls.Must(LibvirtNative.virTypedParamsAddString(ref list, ref count, ref size, name, value));

    public ulong? Get(string name) => LibvirtNative.virTypedParamsGetULLong(list, count, name, out var value) == 1 ? value : null;

    public void Dispose() => LibvirtNative.virTypedParamsFree(list, count);
}
